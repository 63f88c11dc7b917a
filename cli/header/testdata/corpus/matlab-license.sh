#!/bin/bash
#SBATCH --licenses=matlab@server:1
#SBATCH --time=1:00:00
matlab -batch main
