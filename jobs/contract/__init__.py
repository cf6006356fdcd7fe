"""What every part agrees on: settings, schemas, names, states. It imports nothing of ours."""
