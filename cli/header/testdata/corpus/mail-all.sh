#!/bin/bash
#SBATCH --mail-user=prof@university.edu
#SBATCH --mail-type=ALL
#SBATCH --time=10
hostname
