"""Values that flow between the rooms: frozen, slotted, with no behaviour but what they derive from themselves."""
