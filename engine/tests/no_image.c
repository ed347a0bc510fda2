/* SPDX-License-Identifier: Apache-2.0
 * In the place of the card's kernels, for a CUDA library that is only to meet a stub driver. */
extern const unsigned char cuda_image[];
const unsigned char cuda_image[16] = {0};
