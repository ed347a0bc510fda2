/* SPDX-License-Identifier: Apache-2.0
 * Compares driver.h's types and numbers with the toolkit's header, where that is installed; makes no code. */
#include "cuda/driver.h"

#if __has_include(<cuda.h>)
#include <cuda.h>

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #theirs)

SAME(sizeof(struct cuda_tensor_map), sizeof(CUtensorMap));
SAME(sizeof(struct cuda_attribute), sizeof(CUlaunchAttribute));
SAME(offsetof(struct cuda_attribute, value), offsetof(CUlaunchAttribute, value));
SAME(sizeof(struct cuda_launch), sizeof(CUlaunchConfig));
SAME(offsetof(struct cuda_launch, shared_bytes), offsetof(CUlaunchConfig, sharedMemBytes));
SAME(offsetof(struct cuda_launch, stream), offsetof(CUlaunchConfig, hStream));
SAME(offsetof(struct cuda_launch, attributes), offsetof(CUlaunchConfig, attrs));
SAME(offsetof(struct cuda_launch, n_attributes), offsetof(CUlaunchConfig, numAttrs));
SAME(CUDA_NOT_READY_CODE, CUDA_ERROR_NOT_READY);
SAME(2, CUDA_ERROR_OUT_OF_MEMORY);
SAME(700, CUDA_ERROR_ILLEGAL_ADDRESS);
SAME(6, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
SAME(8, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
SAME(97, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
SAME(2, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME(3, CU_TENSOR_MAP_SWIZZLE_128B);
SAME(2, CU_TENSOR_MAP_DATA_TYPE_UINT32);
SAME(3, CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
#endif
