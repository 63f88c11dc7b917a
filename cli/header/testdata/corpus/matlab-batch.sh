#!/bin/bash
#SBATCH -J matlab
#SBATCH -N 1
#SBATCH -n 1
#SBATCH -c 12
#SBATCH --mem=24G
#SBATCH -t 08:00:00
#SBATCH -o matlab-%j.log
#SBATCH --open-mode=append
matlab -nodisplay -r "parpool(12); run('main.m'); exit"
