#!/bin/bash
#SBATCH --ntasks-per-node=20
#SBATCH --nodes=1
#SBATCH --mem-per-cpu=1500
#SBATCH --time=5:00:00
#SBATCH --export=NONE
R CMD BATCH --no-save par.R
