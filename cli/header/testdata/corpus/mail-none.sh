#!/bin/bash
#SBATCH --mail-type=NONE
#SBATCH --mail-user=$USER@example.org
date
