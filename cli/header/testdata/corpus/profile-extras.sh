#!/bin/bash
#SBATCH --acctg-freq=task=15
#SBATCH --profile=Task
#SBATCH --cpu-freq=high
#SBATCH --no-kill
#SBATCH --spread-job
#SBATCH --time-min=30 --time=60
#SBATCH -sO
./app
