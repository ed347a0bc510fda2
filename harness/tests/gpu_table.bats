# SPDX-License-Identifier: Apache-2.0
# What ci/gpu-check prints of a run: ratios to the rivals, and what the card's own ceilings would allow.

row() { printf '"%s/%s/%s","%s","%s","ok","cuda",%s,1,1,1\n' "$1" "$1" "$2" "$1" "$1" "$3"; }

@test "ratios, the most that the ceilings allow, and readings of two files" {
  cd "$BATS_TEST_TMPDIR"
  {
    row gpu_roofline what=read 1000000
    row gpu_roofline what=launch 500
    row gpu_bitlinear by=ternary/shape=2560x2560/batch=1/state=cold 2000
    row gpu_bitlinear by=w2a8/shape=2560x2560/batch=1/state=cold 5000
    row gpu_bitlinear by=ternary/shape=13824x2560/batch=32/state=cold 6000
    row gpu_bitlinear by=int8/shape=13824x2560/batch=32/state=cold 15000
    row gpu_transfer kind=up/bytes=268435456/pinned=1 5000000
    row gpu_transfer kind=overlap/bytes=268435456/pinned=1 10500000
  } >gpu.csv
  echo 'ternmark_metric{suite="gpu_decode",metric="gpu_utilisation"} 0.9' >busy.txt
  echo 'ternmark_metric{cell="gpu_decode/gpu_decode/model=tiny/cache=f16",suite="gpu_decode",metric="gpu_utilisation"} 0.1' >>busy.txt
  echo 'ternmark_metric{suite="gpu_decode",metric="gpu_utilisation"} 0.7' >gpu.txt
  run awk -F, -f "$BATS_TEST_DIRNAME/../../ci/gpu-table.awk" busy.txt gpu.txt gpu.csv
  [ "$status" -eq 0 ]
  grep -E '^cold +2560x2560 +1 .* 2\.50 +3\.96 \|' <<<"$output"     # 1,638,400 bytes at 2,147 GB/s and 500 ns against 5,000
  grep -E '^cold +13824x2560 +32 .*\| +2\.50 ' <<<"$output"
  grep -F 'geometric mean, batch 8-32 against int8: 2.50 (least 2.50, 1 cells)' <<<"$output"
  grep -F '95.2 % of the slower alone (copy 5.00 ms, kernel 10.00 ms, both 10.50 ms)' <<<"$output"
  grep -E '^gpu_decode +busy 80 %' <<<"$output"
}
