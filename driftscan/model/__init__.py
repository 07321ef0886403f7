"""Values that flow between the rooms: frozen, slotted, without behaviour beyond what they can derive from themselves."""
