/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/face.h"

extern __attribute__((visibility("default"))) const struct cuda_face tern_cuda_face;

const struct cuda_face tern_cuda_face = {
    .abi = CUDA_FACE_ABI,
    .outcome_name = cuda_outcome_name,
    .open = cuda_device_open,
    .close = cuda_device_close,
    .info = cuda_device_info,
    .linear_bind = cuda_linear_bind,
    .linear_close = cuda_linear_close,
    .linear_run = cuda_linear_run,
    .linear_result = cuda_linear_result,
    .linear_weight_bytes = cuda_linear_weight_bytes,
    .linear_why = cuda_linear_why,
    .rival_bind = cuda_rival_bind,
    .rival_close = cuda_rival_close,
    .rival_run = cuda_rival_run,
    .rival_why = cuda_rival_why,
    .stretch_bind = cuda_stretch_bind,
    .stretch_close = cuda_stretch_close,
    .stretch_run = cuda_stretch_run,
    .stretch_check = cuda_stretch_check,
    .decode_bind = cuda_decode_bind,
    .decode_close = cuda_decode_close,
    .decode_run = cuda_decode_run,
    .decode_look = cuda_decode_look,
    .decode_why = cuda_decode_why,
    .decode_bytes = cuda_decode_bytes,
};
