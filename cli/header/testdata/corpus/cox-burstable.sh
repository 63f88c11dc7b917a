#!/bin/bash
#COX --cpus=500m --mem=256M
#COX --job-name=helper
sleep 60
