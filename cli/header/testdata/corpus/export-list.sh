#!/bin/bash
#SBATCH --export=PATH,HOME,CASE=12
#SBATCH --propagate=STACK
./case
