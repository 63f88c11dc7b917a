#!/bin/bash
#SBATCH -G 1
#SBATCH -c 8
#SBATCH --mem=40G
#SBATCH --gres-flags=enforce-binding
python train.py
