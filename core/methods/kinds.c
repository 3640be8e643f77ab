/* The registry of methods of training. It stands alone, so that a program can link one of its own
 * in its place: all others know methods by this array only. */
#include "core/methods/kinds.h"

const struct cfg_kind *const method_kinds[] = {METHOD_KINDS(METHOD_ELEMENT) NULL};
