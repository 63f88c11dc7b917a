#!/bin/bash
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=28
#SBATCH --time=24:00:00
#SBATCH --switches=1@00:30:00
srun ./solver
