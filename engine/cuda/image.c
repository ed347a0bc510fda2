/* SPDX-License-Identifier: Apache-2.0
 * The kernels as nvcc packs them (one file for all cards), inside the library. */
__asm__(".section .rodata\n.balign 64\n.globl cuda_image\n.hidden cuda_image\ncuda_image:\n.incbin \"" CUDA_IMAGE "\"\n.balign 8\n.previous\n");
