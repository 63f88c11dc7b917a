#!/bin/bash
#SBATCH --job-nmae=typo
#SBATCH --ntask-per-node=4
echo typo
