/* SPDX-License-Identifier: Apache-2.0 */
#include "core/vector.h"

#include <string.h>

static float from_bits(uint32_t bits)
{
	float v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

static uint32_t to_bits(float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* The exponent moves from bias 15 to 127 by a product with 2^112, which makes subnormals right as well. */
float tern_half_to_float(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
	if (rest >= 0x7c00)
		return from_bits(sign | 0x7f800000 | (rest & 0x3ff) << 13 | (rest > 0x7c00 ? 1u << 22 : 0));
	return from_bits(sign | to_bits(from_bits(rest << 13) * 0x1p112f));
}

/* Adding a power of two whose last place is the half's last place lets the machine round; below 2^-14 that place is 2^-24 throughout. */
uint16_t tern_float_to_half(float value)
{
	uint32_t bits = to_bits(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
	if (rest > 0x7f800000)
		return (uint16_t)(sign | 0x7e00);
	if (rest >= 0x477ff000)
		return (uint16_t)(sign | 0x7c00);
	if (rest < 0x38800000)
		return (uint16_t)(sign | (to_bits(from_bits(rest) + 0.5f) - to_bits(0.5f)));
	rest += 0xfff + (rest >> 13 & 1);
	return (uint16_t)(sign | ((rest - 0x38000000) >> 13));
}

void tern_row_to_floats(const struct tern_rows *rows, size_t row, size_t d, float *out)
{
	const char *at = (const char *)rows->data + row * rows->stride;
	float scale = rows->type == TERN_I8 ? rows->scale[row * rows->scale_stride] : 1;
	for (size_t i = 0; i < d; i++) {
		uint16_t half;
		if (rows->type == TERN_F32) {
			memcpy(&out[i], at + 4 * i, 4);
		} else if (rows->type == TERN_F16) {
			memcpy(&half, at + 2 * i, 2);
			out[i] = tern_half_to_float(half);
		} else {
			out[i] = scale * (float)((const int8_t *)at)[i];
		}
	}
}
