#!/bin/bash
#SBATCH --nodes=1-4
#SBATCH --ntasks=16
#SBATCH --time=90
srun ./flex
