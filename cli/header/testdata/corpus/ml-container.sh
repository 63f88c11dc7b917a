#!/bin/bash
#SBATCH --container=/images/torch
#SBATCH --cpus-per-task=2
python -c 'import torch'
