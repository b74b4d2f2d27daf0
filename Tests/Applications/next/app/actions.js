'use server';

import { headers } from 'next/headers';

export async function greet() {
  return `hello ${(await headers()).get('x-verified-username')}`;
}
