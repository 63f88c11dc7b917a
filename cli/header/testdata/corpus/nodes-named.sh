#!/bin/bash
#SBATCH -w node05
#SBATCH -x node[01-04]
#SBATCH --reservation=course
hostname
