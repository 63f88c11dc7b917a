#!/bin/bash
#SBATCH -d afterok:20:21?afterany:23
./either.sh
