#!/bin/bash
#SBATCH --begin=2030-01-20T12:34:00
#SBATCH --deadline=2030-01-21
date
