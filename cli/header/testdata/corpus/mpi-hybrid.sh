#!/bin/bash
#SBATCH -N 2
#SBATCH --ntasks-per-socket=1
#SBATCH -c 16
#SBATCH --hint=nomultithread
#SBATCH -m block:cyclic
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
srun ./hybrid
