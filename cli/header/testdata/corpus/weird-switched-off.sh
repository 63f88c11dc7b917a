#!/bin/bash
##SBATCH --gres=gpu:8
#SBATCH --time=15
###SBATCH --nodes=100
# SBATCH --partition=gone
echo off
