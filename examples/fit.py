"""How far does the card go?"""

import weighbridge as wb

found = wb.fit("llama-3.1-8b", on="rtx-4090")
print(found.context.value, "tokens for one;", found.users.value, "users")
