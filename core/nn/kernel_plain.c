/* The kernel for any CPU: the lanes call fmaf. The Makefile compiles this file without vectors
 * beyond those of the oldest CPU of the family. */
#define KERNEL kernel_plain
#include "core/nn/kernel_body.h"
