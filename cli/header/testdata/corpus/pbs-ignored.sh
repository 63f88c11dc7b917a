#!/bin/bash
#SBATCH --ignore-pbs
#PBS -l walltime=1:00:00
#SBATCH --time=60
./old
