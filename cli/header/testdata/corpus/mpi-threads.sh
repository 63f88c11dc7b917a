#!/bin/bash
#SBATCH --ntasks=8
#SBATCH --threads-per-core=1
#SBATCH --ntasks-per-core=1
#SBATCH --time=02:00:00
srun ./ranks
