#!/bin/bash
#SBATCH --dependency=after:77+10,afternotok:78_3
#SBATCH --hold
./client.sh
