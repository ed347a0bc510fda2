/* SPDX-License-Identifier: Apache-2.0
 * Every kernel as one module. */
#include "linear.cu"
#include "vector.cu"
#include "decode.cu"
#include "step.cu"
