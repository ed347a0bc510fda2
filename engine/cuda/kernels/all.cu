/* SPDX-License-Identifier: Apache-2.0
 * Every kernel as one module. */
#include "linear.cu"
#include "norm.cu"
#include "output.cu"
#include "prompt.cu"
#include "step.cu"
#include "token.cu"
#include "vector.cu"
