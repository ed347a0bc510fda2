# What a busy machine changes in a transcript. Sourced by those that measure.

# A machine that is stolen from is unfit and says so with 3; that is not what a test about something else is about.
fine() {
  [ "$status" -eq 0 ] || { [ "$status" -eq 3 ] && [[ "$output" == *"the hypervisor took"* ]]; }
}
