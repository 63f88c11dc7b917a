#!/bin/bash
#SBATCH --job-name=namd
#SBATCH --gpus-per-node=v100:2
#SBATCH --cpus-per-gpu=8
#SBATCH --mem-per-gpu=32G
#SBATCH --time=1-0:00
namd3 +p8 +devices 0,1 in.conf
