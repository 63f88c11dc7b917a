#!/bin/bash
#SBATCH -n 4
#SBATCH -L interpro:2
#SBATCH -t 1-0
interproscan.sh -i proteins.fa
