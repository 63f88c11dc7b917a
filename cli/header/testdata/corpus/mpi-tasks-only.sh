#!/bin/bash
#SBATCH -n 64
#SBATCH --mem-per-cpu=2G
#SBATCH -t 1-12
mpirun -np $SLURM_NTASKS ./cfd
