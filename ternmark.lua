-- SPDX-License-Identifier: Apache-2.0
-- How `ternmark gate` builds a tree of this repository, and which file of the build its suites measure.
return {
  build = { "make", "-j2", "artifacts" },
  artifacts = { tern = "build/libtern.so" },
  suites = "suites",
}
