"""Floor 2: dataset root → batches. plan → fetch → unpack → decode → collate."""
