/* libnftables: the kernel's ruleset as JSON. */
#include <nftables/libnftables.h>
