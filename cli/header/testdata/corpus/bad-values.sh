#!/bin/bash
#SBATCH --time=1h30m
#SBATCH --mem=1.5G
#SBATCH --array=10-1
#SBATCH -n zero
./app
