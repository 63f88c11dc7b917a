#!/bin/bash
#SBATCH --job-name=cavity
#SBATCH --output=log.%x.%j
#SBATCH --ntasks=16
#SBATCH --time=6:00:00
#SBATCH --contiguous
#SBATCH --ntasks-per-core=1
source /opt/openfoam/etc/bashrc
decomposePar && mpirun -np 16 icoFoam -parallel
