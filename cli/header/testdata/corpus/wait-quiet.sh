#!/bin/bash
#SBATCH --wait --quiet -v
#SBATCH --wckey=project7
#SBATCH -t 1
true
