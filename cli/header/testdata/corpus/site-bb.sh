#!/bin/bash
#SBATCH -p debug,normal
#SBATCH --bb="capacity=100GB"
#SBATCH -C haswell
#SBATCH -S 4
./io
