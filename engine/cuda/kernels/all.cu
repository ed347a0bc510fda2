/* SPDX-License-Identifier: Apache-2.0
 * Every kernel as one module. */
#include "linear.cu"
#include "norm.cu"
#include "session.cu"
#include "vector.cu"
