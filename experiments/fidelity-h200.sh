#!/bin/sh
# A quarter of an hour of a GPU, for docs/results/fidelity-cards.md: profile quickly, calibrate, serve the nine cells with all batches
# kept, then strait and priority-edf in longer runs. It has not been run on a GPU yet.
#
#   sh experiments/fidelity-h200.sh OUT             about 13 minutes of one H200
#   sh experiments/fidelity-h200.sh OUT --dry-run   says what would be done, on any machine
#
# Steps that are done are not done again. What is in OUT afterwards is to be committed as it was measured: profile.json,
# grid/ (alone, calibration, runs with their batches) and longer/runs. The comparison can be made elsewhere:
#
#   stratsim fidelity OUT/grid --figures OUT/figures
set -eu

out=${1:?"where the results go"}
dry=${2:-}
here=$(dirname "$0")
mkdir -p "$out"

if [ ! -f "$out/profile.json" ]; then
    if [ "$dry" = --dry-run ]; then
        echo "a quick profile of the four models: 4 minutes"
        profile=h200-fp16
    else
        stratsim profile run --device cuda:0 --models resnet50,resnet152,inceptionv3,vit-b-16 --dtype fp16 \
            --batches 1,2,4,8 --budget 4m --name h200-quick --out "$out/profile.json"
    fi
fi
profile=${profile:-$out/profile.json}

stratsim fidelity run "$here/fidelity-h200.toml" --profile "$profile" --out "$out/grid" --runs-only $dry
[ "$dry" = --dry-run ] || profile=$out/grid/calibrated.json
stratsim fidelity run "$here/fidelity-h200-longer.toml" --profile "$profile" --out "$out/longer" --runs-only $dry
