#!/bin/sh
# A quarter of an hour of a GPU, for docs/results/fidelity-cards.md: profile quickly, calibrate, serve the nine cells with all batches
# kept, then strait and priority-edf in longer runs. It has not been run on a GPU yet; on a CPU
# it was rehearsed to its end.
#
#   sh experiments/fidelity-h200.sh OUT             about 13 minutes of one H200
#   sh experiments/fidelity-h200.sh OUT --dry-run   says what would be done, on any machine
#   sh experiments/fidelity-h200.sh OUT --rehearse  its steps on the CPU with one small model and one load: nine minutes
#
# Steps that are done are not done again. What is in OUT afterwards is to be committed as it was measured: profile.json,
# grid/ (index, profiles, alone, calibration, runs with their batches) and longer/runs. The comparison can be made
# elsewhere:
#
#   stratsim fidelity OUT/grid --figures OUT/figures
#   stratsim fidelity OUT/grid --json > OUT/grid/report.json
#   stratsim fidelity again OUT/grid --learn-from docs/figures/fidelity-h200
set -eu

out=${1:?"where the results go"}
how=${2:-}
here=$(dirname "$0")
device=cuda:0 models=resnet50,resnet152,inceptionv3,vit-b-16 batches=1,2,4,8 budget=4m more="--dtype fp16" options=
case $how in
"") ;;
--dry-run) options=--dry-run ;;
--rehearse)
    device=cpu models=mobilenetv2 batches=1,2 budget=60s more= options=--quick
    ;;
*)
    echo "$how: neither --dry-run nor --rehearse" >&2
    exit 2
    ;;
esac
mkdir -p "$out"

profile=$out/profile.json
if [ "$how" = --dry-run ]; then
    echo "a quick profile of the four models: 4 minutes"
    profile=h200-fp16
elif [ ! -f "$profile" ]; then
    # shellcheck disable=SC2086  # $more is options
    stratsim profile run --device "$device" --models "$models" $more --batches "$batches" --budget "$budget" \
        --name quick --out "$profile"
fi

# shellcheck disable=SC2086  # $options is empty or one option
stratsim fidelity run "$here/fidelity-h200.toml" --device "$device" --profile "$profile" --out "$out/grid" \
    --runs-only $options
[ "$how" = --dry-run ] || profile=$out/grid/calibrated.json
# shellcheck disable=SC2086
stratsim fidelity run "$here/fidelity-h200-longer.toml" --device "$device" --profile "$profile" --out "$out/longer" \
    --runs-only $options
