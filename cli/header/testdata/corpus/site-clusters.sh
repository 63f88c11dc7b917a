#!/bin/bash
#SBATCH --clusters=serial
#SBATCH --partition=serial_std
#SBATCH --get-user-env
#SBATCH --mail-type=end
#SBATCH --export=NONE
#SBATCH -D ./
#SBATCH --time=24:00:00
./serial
