#!/bin/bash -l
#SBATCH -A mat-sci -p standard
#SBATCH -J VASP-relax -o vasp.out -e vasp.err
#SBATCH -N 1 --ntasks-per-node=48 -t 48:00:00
#SBATCH --mem-per-cpu=3800M --exclusive
srun vasp_std
