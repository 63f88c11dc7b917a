#!/bin/bash
#SBATCH --mail-type=END,STAGE_OUT
date
