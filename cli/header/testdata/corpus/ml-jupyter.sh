#!/bin/bash
#SBATCH --time 8:00:00 --mem 16G -c 4
#SBATCH --job-name jupyter --output jupyter-%J.log
#SBATCH --chdir=/home/someone/notebooks
jupyter lab --no-browser --ip=0.0.0.0
