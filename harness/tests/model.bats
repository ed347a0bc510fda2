# ternmark model: make, inspect, check, logits, generate, and what a bad file or a bad word gives.

bats_require_minimum_version 1.5.0
setup() { cd "$BATS_TEST_TMPDIR"; }

tiny() { "$TERNMARK" model make "$1" --like tiny "${@:2}"; }

@test "a model is made with its checksum beside it, and is right" {
  run --separate-stderr tiny m.gguf
  [ "$status" = 0 ] && [ -z "$output" ] && sha256sum -c --quiet m.gguf.sha256
  run "$TERNMARK" model check m.gguf
  [ "$status" = 0 ] && [[ "$output" == *"its SHA-256 is the one kept beside it"* ]]
  tiny again.gguf && cmp m.gguf again.gguf
  tiny other.gguf --seed 2 && ! cmp -s m.gguf other.gguf
}

@test "inspect names keys, tensors and the network" {
  tiny m.gguf
  run "$TERNMARK" model inspect m.gguf
  [ "$status" = 0 ] && [[ "$output" == *"bitnet-b1.58, gated squared ReLU, width 256, 3 layers"* ]]
  [[ "$output" == *"key     bitnet-b1.58.block_count = 3 (u32)"* && "$output" == *"tensor  blk.2.ffn_down.weight 512 x 256 I2_S, 32800 bytes"* ]]
}

@test "logits are raw floats of every position, the same for any number of threads" {
  tiny m.gguf
  "$TERNMARK" model logits m.gguf --tokens 1,2,3,4,5 --out one.bin --threads 1
  "$TERNMARK" model logits m.gguf --tokens 1,2,3,4,5 --out two.bin --threads 2
  [ "$(stat -c %s one.bin)" = $((5 * 640 * 4)) ] && cmp one.bin two.bin
  "$TERNMARK" model logits m.gguf --tokens 1,2,3 --out three.bin
  cmp -n $((3 * 640 * 4)) one.bin three.bin
  "$TERNMARK" model logits m.gguf --tokens 1,2,3,4,5 --out f32.bin --activations f32
  ! cmp -s one.bin f32.bin
}

@test "without a level nothing is rounded but the activations" {
  tiny m.gguf
  logits() { "$TERNMARK" model logits m.gguf --tokens 1,2,3,4,5 --out "$1" "${@:2}"; }
  logits default.bin && logits exact.bin --level basic --output exact --cache f32 && cmp default.bin exact.bin
  logits packed.bin --output int8 && ! cmp -s default.bin packed.bin
  logits basic.bin --level basic && ! cmp -s packed.bin basic.bin
}

@test "generate prints as many ids as were asked for" {
  tiny m.gguf
  run --separate-stderr "$TERNMARK" model generate m.gguf --tokens 7,8 -n 12
  [ "$status" = 0 ] && [[ "$output" =~ ^[0-9]+(,[0-9]+){11}$ ]] && [ -z "$stderr" ]
  first=$output
  run --separate-stderr "$TERNMARK" model generate m.gguf --tokens "7,8,${first%%,*}" -n 11
  [ "$output" = "${first#*,}" ]
}

@test "verbose tells where the time of the prompt and of what followed went" {
  tiny m.gguf
  run --separate-stderr "$TERNMARK" model generate m.gguf --tokens 1,2,3,4 -n 3 --verbose
  [ "$status" = 0 ] && [[ "$output" =~ ^[0-9]+,[0-9]+,[0-9]+$ ]]
  [[ "$stderr" == *"the prompt: 4 rows in 1 passes"*"what followed: 2 rows in 2 passes"* ]]
  [ "$(grep -c "  gate, up, act .* ms .* % .* GOP/s .* GB/s of weights" <<< "$stderr")" = 2 ]
}

@test "levels tells what each level and preset turns on" {
  run "$TERNMARK" model levels
  [ "$status" = 0 ] && [[ "$output" == *"packed output  -     on    on"* && "$output" == *"optimized_for_memory: level none, batch 8"* ]]
}

@test "every type and architecture is made, loaded and run" {
  for weights in I2_S TQ1_0 TQ2_0; do
    tiny "$weights.gguf" --weights "$weights" --architecture bitnet --embedding F16
    "$TERNMARK" model logits "$weights.gguf" --tokens 9,8,7 --out "$weights.bin" --activations f32
  done
  cmp TQ1_0.bin TQ2_0.bin
  for embedding in F32 F16 BF16 Q8_0 Q6_K Q4_K; do
    tiny e.gguf --embedding "$embedding" --output own --architecture bitnet-25
    run "$TERNMARK" model generate e.gguf --tokens 1 -n 2
    [ "$status" = 0 ] || { echo "$embedding: $output"; return 1; }
  done
}

refused() {  # STATUS TEXT WORDS…
  run "$TERNMARK" model "${@:3}"
  [ "$status" = "$1" ] && [[ "$output" == "ternmark: "*"$2"* ]] || { echo "${*:3} → $status $output"; return 1; }
}

@test "bad files are invalid, and the rule is named" {
  tiny m.gguf
  head -c 1000 m.gguf > cut.gguf && refused 5 "rule " check cut.gguf
  : > empty.gguf && refused 5 "rule truncated" inspect empty.gguf
  printf '\033[2JGGUF' > escape.gguf && refused 5 "rule magic" generate escape.gguf --tokens 1
  cp m.gguf bad.gguf && cp m.gguf.sha256 bad.gguf.sha256
  printf '\377' | dd of=bad.gguf bs=1 seek=590000 conv=notrunc status=none
  refused 5 "SHA-256" check bad.gguf
  rm bad.gguf.sha256
  size=$(stat -c %s m.gguf)
  printf '\377' | dd of=bad.gguf bs=1 seek=138100 conv=notrunc status=none
  refused 5 "holds code 3, which is no trit (rule code" generate bad.gguf --tokens 1
  [ "$size" -gt 0 ]
}

@test "bad words are usage" {
  tiny m.gguf
  refused 2 "expected make, inspect" frobnicate m.gguf
  refused 2 "one FILE" check
  refused 2 "cannot be opened" check absent.gguf
  refused 2 "directory" check .
  refused 2 "--tokens: expected ids" logits m.gguf --tokens 1,x --out f
  refused 2 "--tokens: expected ids" generate m.gguf
  refused 2 "needs --out" logits m.gguf --tokens 1
  refused 2 "the vocabulary has 640" generate m.gguf --tokens 640
  refused 2 "a context of" generate m.gguf --tokens 1 -n 1000
  refused 2 "parameter activations: expected int8 or f32" generate m.gguf --tokens 1 --activations f16
  refused 2 "float activations read the output matrix as the file has it; output int8 is for int8" logits m.gguf --tokens 1 --out f --activations f32 --output int8
  refused 2 "parameter like" make x.gguf --like huge
  [ ! -e x.gguf ] && [ ! -e f ]
}
