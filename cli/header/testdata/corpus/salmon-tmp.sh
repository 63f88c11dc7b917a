#!/bin/bash
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --tmp=100G
#SBATCH -t 60
salmon quant -i index -l A -p 8
